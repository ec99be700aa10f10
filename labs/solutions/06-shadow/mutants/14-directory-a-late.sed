# fails: an absent page
# mistake: A is not set in the directory where the page is absent
s/if (!fault->large)/if (page \& P)/
