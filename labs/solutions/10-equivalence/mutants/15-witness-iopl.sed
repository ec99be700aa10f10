# fails: suspect 5: a witness
# file: witness-5.S
# mistake: IOPL is too small, and CLI is refused in any case
s/enter_user user, 3/enter_user user, 1/
