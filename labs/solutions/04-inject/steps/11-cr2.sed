# step: cr2
# passes: a page fault
# passes: a kernel with processes
