# fails: a void grant takes nothing
# mistake: void grants are in the way of others
s/ \&\& good(plan, earlier) \&\&/ \&\&/
