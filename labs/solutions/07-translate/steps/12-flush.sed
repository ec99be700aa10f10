# step: the end of all units
# passes: the code cache is emptied
# passes: a kernel with processes
