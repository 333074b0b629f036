"""A real server that speaks S3, its bucket, and users of it."""

from __future__ import annotations

import json
from typing import Any

import boto3
import requests

BUCKET = "ganlib"


def emptied(server: str) -> Any:
    """A client of ``server``, which has nothing but one empty bucket now, and asks nobody who he is."""
    requests.post(f"{server}/moto-api/reset", timeout=120)
    ask(server, asks=False)
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


def ask(server: str, *, asks: bool) -> None:
    """Have the server ask from now on who somebody is, and what they may, or have it not ask."""
    requests.post(f"{server}/moto-api/reset-auth", data=b"0" if asks else b"inf", timeout=120)


def user(name: str, *actions: str, **client: str) -> dict[str, str]:
    """Make a user who may do ``actions`` such as ``s3:GetObject``; the variables with their access key.

    ``client`` says where, and as whom, if the environment does not.
    """
    iam = boto3.client("iam", **client)
    iam.create_user(UserName=name)
    allowed = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
