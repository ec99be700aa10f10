#!/bin/sh
# The test runner must not let a silent, crashed or empty test pass: each case is a
# stand-in for a Criterion program, and what the runner makes of it.
set -u
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0

program() { # NAME BODY
    printf '#!/bin/sh\n%s\n' "$2" >"$work/$1"
    chmod +x "$work/$1"
}
synthesis() { # TESTED PASSING FAILING
    echo "echo '[====] Synthesis: Tested: $1 | Passing: $2 | Failing: $3 | Crashing: 0 ' >&2"
}
expect() { # STATUS LAST-LINE TEST...
    status=$1 line=$2
    shift 2
    out=$(scripts/run-tests "$work/logs" "$@")
    got=$?
    last=$(printf '%s\n' "$out" | tail -n 1)
    if [ "$got" != "$status" ] || [ "$last" != "$line" ]; then
        echo "run-tests $*: status $got, '$last'; expected $status, '$line'"
        bad=1
    fi
}

program good "$(synthesis 3 3 0)"
program failing "$(synthesis 3 1 2); exit 1"
program liar "$(synthesis 2 2 0); exit 3"
program leaking "echo '==1==ERROR: LeakSanitizer: detected memory leaks'; $(synthesis 3 3 0)"
program silent ''
program empty "$(synthesis 0 0 0)"
program killed 'kill -SEGV $$'
program pass.sh 'exit 0'
program fail.sh 'exit 1'
program skip.sh 'echo "skipped: no reason"; exit 77'

expect 0 '3 passed, 0 failed' "$work/good"
expect 0 '4 passed, 0 failed' "$work/good" "$work/pass.sh" "$work/skip.sh"
expect 1 '4 passed, 2 failed' "$work/good" "$work/failing"
expect 1 '2 passed, 1 failed' "$work/liar"
expect 1 '3 passed, 1 failed' "$work/leaking"
expect 1 '0 passed, 1 failed' "$work/silent"
expect 1 '0 passed, 1 failed' "$work/empty"
expect 1 '0 passed, 1 failed' "$work/killed"
expect 1 '0 passed, 1 failed' "$work/fail.sh"
expect 1 '0 passed, 1 failed' "$work/does-not-exist"
expect 1 '0 passed, 1 failed' "$work/skip.sh"
expect 1 '0 passed, 1 failed'
exit $bad
