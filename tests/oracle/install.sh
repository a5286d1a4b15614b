#!/usr/bin/env bash
# Makes the environment of the official Cityscapes evaluator, which today's NumPy and Pillow do not run.
# NumPy 1.26 needs Python 3.11 or 3.12: PYTHON=python3.12 names another one than the project's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
environment=${1:-.venv-oracle}
"${PYTHON:-.venv/bin/python}" -m venv --clear "$environment"
"$environment/bin/pip" install --quiet --require-hashes -r requirements/oracle.txt
