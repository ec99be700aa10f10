# step: predict
# passes: the number of exits
