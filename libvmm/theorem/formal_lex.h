/* The words of a formal machine's text: names, numbers and signs, with the place where each stands.
 * White space and comments (from # to the end of the line) separate them and mean nothing else. */
#ifndef VMM_THEOREM_FORMAL_LEX_H
#define VMM_THEOREM_FORMAL_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum formal_token_kind {
    FORMAL_TOKEN_END,
    FORMAL_TOKEN_NAME,   /* a letter, then letters, digits, '_' and '.' */
    FORMAL_TOKEN_NUMBER, /* decimal, at most FORMAL_TOKEN_LARGEST */
    FORMAL_TOKEN_SIGN,
    FORMAL_TOKEN_BAD_NUMBER, /* larger than that */
    FORMAL_TOKEN_BAD         /* a character that has no place in the text */
};

#define FORMAL_TOKEN_LARGEST 65535u

struct formal_token {
    enum formal_token_kind kind;
    const char *text; /* in the text that is read, not terminated */
    size_t length;
    unsigned line, column; /* from 1; a column is a byte */
    uint32_t number;
};

struct formal_lexer {
    const char *next, *end;
    unsigned line, column;
};

void formal_lex_start(struct formal_lexer *lexer, const char *text, size_t length);
struct formal_token formal_lex(struct formal_lexer *lexer);
bool formal_token_is(const struct formal_token *token, const char *word);

#endif
