# fails: the guest clears A
# mistake: the directory's A is not asked for
s/return entry \& P \&\& entry \& A ? entry/return entry \& P ? entry/
