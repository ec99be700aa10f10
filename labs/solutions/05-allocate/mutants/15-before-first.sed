# fails: the first and the last port
# mistake: ports before the first are in the grant
s/return port >= grant->first \&\& port - grant->first < grant->count;/return port < grant->first + grant->count;/
