"""A real S3 server on 127.0.0.1 (moto), and an empty bucket in it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


class Bucket:
    """A bucket called ``name``, seen by boto3 and not by the code under test."""

    def __init__(self, client, name: str, environment: dict[str, str]) -> None:
        self.client, self.name, self.environment = client, name, environment
        client.create_bucket(Bucket=name)

    def put(self, key: str, content: bytes) -> str:
        """Put an object; its address."""
        self.client.put_object(Bucket=self.name, Key=key, Body=content)
        return f"s3://{self.name}/{key}"

    def get(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def remove(self, key: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=key)

    def deny(self, action: str, resource: str) -> None:
        """Let nobody do an action ("s3:GetObject") to a resource, as "photos/a.png"."""
        arn = f"arn:aws:s3:::{self.name}/{resource}"
        statement = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.client.put_bucket_policy(Bucket=self.name, Policy=policy)

    def allow(self) -> None:
        """Everything again."""
        self.client.delete_bucket_policy(Bucket=self.name)

    def keys(self, prefix: str = "") -> list[str]:
        answer = self.client.list_objects_v2(Bucket=self.name, Prefix=prefix)
        return [entry["Key"] for entry in answer.get("Contents", [])]


@contextmanager
def buckets() -> Iterator:
    """``make(name)`` gives a new bucket, during the block."""
    pytest.importorskip("s3fs", reason="needs fullconv[s3]")
    server_module = pytest.importorskip("moto.server", reason="needs moto[server]")
    import logging

    import boto3

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        client = boto3.client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
        )
        yield lambda name: Bucket(client, name, environment)
    finally:
        server.stop()
