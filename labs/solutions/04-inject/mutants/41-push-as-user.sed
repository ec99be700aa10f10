# fails: a page fault
# mistake: the frame is pushed with the user's rights
s/delivery, ring, stack.base/delivery, 3, stack.base/
