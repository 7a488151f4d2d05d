"""Places that hold files: folders, buckets, web servers, the Hugging Face Hub, archives; stores are opened there."""
