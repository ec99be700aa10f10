# step: marks
# expect: the guest has exited ... times, predicted were 0
# passes: a page that is written later
# passes: logged page tables
# passes: a kernel with processes
s/return work->cpuid + .*/return work ? 0 : 0;/
