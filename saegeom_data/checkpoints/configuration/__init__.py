"""What configurations of checkpoints say of encoding: a table of keys for each format that has them.

A table has a row for every key that its library writes, also in earlier releases. A key without a row is refused by
name once it says anything: nobody knows what it does to activations or codes.
"""
