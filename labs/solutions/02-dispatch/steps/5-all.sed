# step: the reference
# passes: a store to where the VMM lives
