echo -15 > /proc/self/autogroup; unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE; export CER_PYTHON=/tmp/torch-venv/bin/python
for d in "$2" "$3" "$2" "$3"; do cd $d; echo "$d: $(npm run -s bench -- $1 --json --only "$4" 2>&1 >/dev/null | grep ratio)"; done
