# step: large
# passes: a page of 4 MB
# passes: a kernel with processes
