# fails: the first and the last port
# mistake: a grant is one port longer
s/port - grant->first < grant->count/port - grant->first <= grant->count/
