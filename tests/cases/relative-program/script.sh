#!/bin/sh
echo "script: $# arguments"
