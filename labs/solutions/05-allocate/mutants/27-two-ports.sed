# fails: accesses of two and four bytes
# mistake: every access is taken for one of two bytes
s/for (unsigned i = 0; i < access->size; i++)/for (unsigned i = 0; i < 2; i++)/
