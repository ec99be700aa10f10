#!/bin/sh
# What a lab's README promises: at each step the failure that it names. labs/solutions/NN-name/steps
# has a sed script for every step, which takes out of the reference solution what that step adds;
# so the reference with the scripts from step k on is what a student has who has done the steps
# before it, and has to meet the promise of step k, word for word.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${VMM_BUILD:-$PWD/build}
vmm=$build/vmm
case $build in
*/build) ;;
*)
    echo 'skipped: submissions are linked with the plain library'
    exit 77
    ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
fail() {
    echo "$*"
    bad=1
}
for steps in labs/solutions/*/steps; do
    solution=${steps%/steps}
    name=${solution##*/}
    file=${name#*-}.c
    number=${name%%-*}
    for step in "$steps"/*.sed; do
        test=$(sed -n 's/^# test: //p' "$step")
        promise=$(sed -n 's/^# promises: //p' "$step")
        rm -rf "$work/one" "$work/mine"
        mkdir "$work/one" "$work/mine"
        cp "$solution/$file" "$work/mine"
        for later in $(ls -r "$steps"/*.sed); do
            cp "$work/mine/$file" "$work/before"
            sed -f "$later" "$work/before" >"$work/mine/$file"
            cmp -s "$work/before" "$work/mine/$file" && fail "$later takes nothing away"
            [ "$later" = "$step" ] && break
        done
        cp labs/"$name"/tests/*.inc "$work/one" 2>/dev/null
        cp "$(grep -lx "[/ ]\* name: $test" labs/"$name"/tests/*)" "$work/one"
        "$vmm" lab grade "$number" "$work/mine" --tests "$work/one" >"$work/out" 2>&1
        grep -qF -- "$promise" "$work/out" || fail "$step: '$promise' is not in: $(cat "$work/out")"
        tr '\n' ' ' <labs/"$name"/README.md | tr -s ' ' | grep -qF -- "$promise" ||
            fail "$step: README.md does not promise '$promise'"
        grep -qF -- "$test" labs/"$name"/README.md || fail "$step: README.md does not name '$test'"
    done
done
exit $bad
