# fails: Theorem 3
# mistake: Theorem 3 asks for the mode sensitive, too
s/if (user_sensitive(m, i) \&\&/if ((user_sensitive(m, i) || mode_sensitive(m, i)) \&\&/
