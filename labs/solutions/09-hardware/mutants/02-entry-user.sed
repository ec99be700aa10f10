# fails: the first pages
# mistake: the table entry lacks U/S
s/fault->frame | rights/fault->frame | (rights \& ~(uint32_t)US)/
