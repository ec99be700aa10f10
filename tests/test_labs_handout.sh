#!/bin/sh
# What an instructor hands out: nothing of solutions, hidden tests and mutants is in it, and with
# nothing else the labs can be done as their READMEs say. And the autograder: results.json always.
# With one lab, whose README is followed with the handout; with all of them if VMM_ALL_LABS is set
# (make check-labs, which follows all READMEs).
set -u
cd "$(dirname "$0")/.." || exit 1
build=${VMM_BUILD:-$PWD/build}
case $build in
*/build) ;;
*)
    echo 'skipped: submissions are run by the plain library'
    exit 77
    ;;
esac
for tool in python3 gzip; do
    command -v $tool >/dev/null || {
        echo "skipped: $tool is missing"
        exit 77
    }
done
work=$(mktemp -d)
trap 'chmod -R u+rwX "$work"; rm -rf "$work"' EXIT
chmod 755 "$work"
bad=0
fail() {
    echo "$*"
    bad=1
}

few=02-dispatch
[ -z "${VMM_ALL_LABS:-}" ] || few=
# shellcheck disable=SC2086 # none, or one
labs/handout students "$build" "$work/labs.tar.gz" $few >/dev/null || fail 'no handout'
tar -C "$work" -xf "$work/labs.tar.gz" || fail 'the handout cannot be unpacked'
# A line of a solution is secret unless students have it, as part of the starter or the guests.
python3 - "$work/vmm-labs" <<'END' || bad=1
import os, sys
def lines(folder):
    for path, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(path, name), "rb") as file:
                for line in file.read().split(b"\n"):
                    if len(line.strip()) >= 16:
                        yield line.strip(), os.path.join(path, name)
public = set()
for lab in os.listdir("labs"):
    for part in ("starter", "tests"):
        public |= {line for line, _ in lines(f"labs/{lab}/{part}")}
secret = {line: path for line, path in lines("labs/solutions") if line not in public and not line.startswith(b"#include")}
found = [(line, path) for line, path in lines(sys.argv[1]) if line in secret]
for line, path in found:
    print(f"{path} has a line of {secret[line]}: {line.decode()}")
print(f"{len(secret)} lines are secret")
sys.exit(1 if found or len(secret) < 200 else 0)
END
find "$work/vmm-labs" | grep -i 'solution\|mutant\|hidden' && fail 'the handout has what it must not have'
# From here on the tree is out of reach for it.
follow=${few:-03-interpret}
labs/follow-readme --vmm "$work/vmm-labs/bin/vmm" "$follow" >"$work/log" || {
    fail "the README of $follow cannot be followed with the handout"
    cat "$work/log"
}
if [ -z "$few" ]; then
    labs/handout students "$build" "$work/one.tar.gz" 02-dispatch >/dev/null
else
    mv "$work/labs.tar.gz" "$work/one.tar.gz"
fi
tar -tf "$work/one.tar.gz" | grep -q 02-dispatch/README.md || fail 'one lab'
tar -tf "$work/one.tar.gz" | grep -q 03-interpret && fail 'one lab is two'
labs/handout students "$build" "$work/x.tar.gz" 77-none 2>/dev/null && fail 'a lab that is none'

# ---- the autograder ----

labs/handout autograder "$build" "$work/grader.zip" 02-dispatch >/dev/null || fail 'no autograder'
mkdir -p "$work/autograder/source" "$work/autograder/submission"
python3 -m zipfile -e "$work/grader.zip" "$work/autograder/source" || fail 'the autograder cannot be unpacked'
chmod -R +x "$work/autograder/source" # as unzip does
sh -n "$work/autograder/source/setup.sh" || fail 'setup.sh'
AUTOGRADER=$work/autograder
export AUTOGRADER
run() {
    rm -rf "$AUTOGRADER/results"
    sh "$AUTOGRADER/source/run_autograder" >"$work/log" 2>&1 || fail "run_autograder: $(cat "$work/log")"
}
# The fields that Gradescope documents, and nothing that contradicts them.
valid() { # EXPRESSION over r
    python3 - "$AUTOGRADER/results/results.json" "$1" <<'END' || fail "results.json: $1"
import json, sys
with open(sys.argv[1]) as file:
    r = json.load(file)
assert isinstance(r["score"], (int, float)) and isinstance(r["output"], str)
for test in r["tests"]:
    assert set(test) <= {"name", "score", "max_score", "status", "output", "visibility"}
    assert test["status"] in ("passed", "failed") and 0 <= test["score"] <= test["max_score"]
    assert test["visibility"] in ("hidden", "after_due_date", "after_published", "visible")
    assert isinstance(test["name"], str) and isinstance(test["output"], str)
assert abs(sum(test["score"] for test in r["tests"]) - r["score"]) < 1e-6
sys.exit(0 if eval(sys.argv[2]) else 1)
END
}
cp labs/solutions/02-dispatch/dispatch.c "$AUTOGRADER/submission"
run
valid 'r["score"] == r["max_score"] and any(t["visibility"] == "after_published" for t in r["tests"])'
echo 'no C' >"$AUTOGRADER/submission/dispatch.c"
run
valid 'r["score"] == 0 and "error" in r["output"]'
rm "$AUTOGRADER/submission/dispatch.c"
run
valid 'r["score"] == 0 and len(r["tests"]) > 10'
rm "$AUTOGRADER/source/vmm-labs/bin/vmm"
run
valid 'r["score"] == 0 and "could not be started" in r["output"]'
exit $bad
