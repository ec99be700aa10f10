# step: grants
# passes: first come, first served
# passes: impossible grants
