/* Instructions as text: the forms of a set's list, hexadecimal, and names for encodings that no
 * list has (by Capstone, which is used for text only and never for a class). */
#ifndef VMM_CLASSIFY_TEXT_H
#define VMM_CLASSIFY_TEXT_H

#include "isa/isa.h"

enum { TEXT_MAX = 80 };

/* Reads pairs of hexadecimal digits, blanks between them allowed. Result: how many bytes; 0: not
 * hexadecimal, none at all, or more than `max`. */
size_t text_to_bytes(const char *hex, uint8_t *bytes, size_t max);

/* All forms of the set, or those that `text` names: the whole text of a form, else its first word,
 * else its mnemonic; in any case, blanks and a few usual other names (popf, popfd, popfl) allowed.
 * `*forms` is allocated (free it, also if the result is 0); the forms are the set's own. */
size_t text_all_forms(const struct isa *isa, const struct isa_form ***forms);
size_t text_find_forms(const struct isa *isa, const char *text, const struct isa_form ***forms);

/* The form with this encoding (lower-case digits), or NULL. */
const struct isa_form *text_find_bytes(const struct isa *isa, const char *digits);

/* Mnemonic and text of an encoding; "(unknown)" and its bytes if there is none. Result: the bytes
 * that belong to the instruction, 0 if it is unknown. */
size_t text_disassemble(const struct isa *isa, const uint8_t *bytes, size_t size, char *mnemonic,
                        size_t mnemonic_size, char *text, size_t text_size);

/* How many bytes the instruction has that begins with these, however many of them there are; 0:
 * there is none that begins so. */
size_t text_length(const struct isa *isa, const uint8_t *bytes, size_t size);

/* `text` fit to be quoted in a message: at most 40 bytes of it, with "?" for what does not print.
 */
#define TEXT_QUOTE 44
const char *text_quote(const char *text, char quoted[TEXT_QUOTE]);

#endif
