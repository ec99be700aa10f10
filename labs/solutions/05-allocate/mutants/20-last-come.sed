# fails: first come, first served
# mistake: the later of two grants counts
s/earlier = 0; earlier < i; earlier++/earlier = i + 1; earlier < plan->grant_count; earlier++/
