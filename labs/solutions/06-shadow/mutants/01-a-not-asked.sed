# fails: the guest clears A
# mistake: a page is open before A is set
s/if (!(entry \& P) || !(entry \& A))/if (!(entry \& P))/
