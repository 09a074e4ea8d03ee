"""Photos and results at addresses (s3://, gs://, hf://, memory://), and what is done of them."""
