# fails: impossible grants
# mistake: a grant may go beyond port 0xffff
s/grant->first + grant->count > 0x10000)/grant->count > 0x10000)/
