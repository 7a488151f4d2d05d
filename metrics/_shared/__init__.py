"""First steps that metrics of several scales share: which rows count, their neighbours and their moments."""
