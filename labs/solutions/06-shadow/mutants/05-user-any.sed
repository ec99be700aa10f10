# fails: a page of the supervisor
# mistake: the user may use the supervisor's pages
s/if (user \&\& !(rights \& US))/if (user \&\& !(rights \& P))/
