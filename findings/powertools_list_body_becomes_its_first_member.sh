#!/usr/bin/env bash
# Powertools for AWS Lambda (Python) 3.37.0, seen on 28 November 2026 with Python 3.11 and Pydantic 2.14.3.
#
# A route whose body is a model is sent a JSON list: [{"name": "a"}, {"name": "b"}]. One expects 422, as for any other body
# that is no object. With enable_validation=True the handler gets the first member, the others are dropped, and the answer
# is 200: a client that sends several at once, where one is taken, is told that all is well. An empty list gets 422.
#
#   {"name": "a"}: 200 a
#   [{"name": "a"}, {"name": "b"}]: 200 a
#   7: 422
#
# https://docs.aws.amazon.com/powertools/python/latest/core/event_handler/api_gateway/#data-validation
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q aws-lambda-powertools==3.37.0 pydantic==2.14.3
"$folder/venv/bin/python" - <<'PY'
import json

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from pydantic import BaseModel

app = APIGatewayHttpResolver(enable_validation=True)


class Item(BaseModel):
    name: str


@app.post("/items")
def create(item: Item) -> dict[str, str]:
    return {"made": item.name}


def send(body: object) -> str:
    event = {
        "version": "2.0", "routeKey": "POST /items", "rawPath": "/items", "rawQueryString": "",
        "headers": {"content-type": "application/json"}, "isBase64Encoded": False, "body": json.dumps(body),
        "requestContext": {"http": {"method": "POST", "path": "/items"}, "stage": "$default", "requestId": "1"},
    }
    answer = app.resolve(event, object())
    return f"{answer['statusCode']} {json.loads(answer['body']).get('made', '')}".strip()


bodies = [{"name": "a"}, [{"name": "a"}, {"name": "b"}], 7]
answers = [send(body) for body in bodies]
for body, answer in zip(bodies, answers):
    print(f"{json.dumps(body)}: {answer}")
assert answers == ["200 a", "200 a", "422"], answers
PY
