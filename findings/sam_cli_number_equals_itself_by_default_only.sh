#!/usr/bin/env bash
# AWS SAM CLI 1.170.0, seen on 28 November 2026 with Python 3.11.
#
# A parameter of type Number is compared with a number: !Equals [!Ref Limit, 0]. CloudFormation compares both as text, so
# that it is true for 0, whoever says so. `sam build` finds it true for the template's own default 0, and false for
# `--parameter-overrides Limit=0`, where it compares the text with the number. So a CodeUri (or a variable in `sam local`)
# that hangs on the condition is another one than the deployment, given the same parameters, is made for; nothing is said.
#
#   by default: none
#   Limit=0: some
#
# Quotes on both sides, Default: "0" and !Equals [!Ref Limit, "0"], are the same to CloudFormation and right in both.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-conditions.html
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q aws-sam-cli==1.170.0
cd "$folder"
mkdir none some
for code in none some; do
    printf 'build-Function:\n\techo %s > "$(ARTIFACTS_DIR)/which"\n' "$code" >"$code/Makefile"
done
cat >template.yaml <<'YAML'
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Limit: { Type: Number, Default: 0 }
Conditions:
  NoLimit: !Equals [!Ref Limit, 0]
Resources:
  Function:
    Type: AWS::Serverless::Function
    Metadata: { BuildMethod: makefile }
    Properties: { Runtime: provided.al2023, Handler: any, CodeUri: !If [NoLimit, none, some] }
YAML
export SAM_CLI_TELEMETRY=0
built() {
    rm -rf .aws-sam
    "$folder/venv/bin/sam" build "$@" >log 2>&1 || { cat log >&2; exit 1; }
    cat .aws-sam/build/Function/which
}
seen="by default: $(built)
Limit=0: $(built --parameter-overrides Limit=0)"
echo "$seen"
[ "$seen" = "by default: none
Limit=0: some" ] || { echo "this has changed" >&2; exit 1; }
