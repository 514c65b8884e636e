// SPDX-License-Identifier: Apache-2.0
#include "ir/lexer.h"

#include <cctype>

namespace edgesmith::ir {
namespace {

bool is_word_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '/' || c == '-';
}

bool is_number(std::string_view word) {
  size_t i = 0;
  if (i < word.size() && word[i] == '-') ++i;
  return (i < word.size() && std::isdigit(static_cast<unsigned char>(word[i])) != 0) || word.substr(i) == "inf" ||
         word.substr(i) == "nan";
}

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view source) {
  std::vector<Token> tokens;
  int line = 1;
  bool line_start = true;
  for (size_t i = 0; i < source.size();) {
    const char c = source[i];
    if (c == '\n') {
      ++line;
      line_start = true;
      ++i;
    } else if (std::isspace(static_cast<unsigned char>(c)) != 0) {
      ++i;
    } else if (c == '#' && line_start) {
      while (i < source.size() && source[i] != '\n') ++i;
    } else if (c == '"') {
      std::string text;
      for (++i; i < source.size() && source[i] != '"'; ++i) {
        if (source[i] == '\n') ++line;
        if (source[i] == '\\' && i + 1 < source.size()) {
          ++i;
          text += source[i] == 'n' ? '\n' : source[i];
        } else {
          text += source[i];
        }
      }
      if (i >= source.size()) return invalid_error("line " + std::to_string(line) + ": text without closing quote");
      ++i;
      line_start = false;
      tokens.push_back({Token::Kind::text, std::move(text), line});
    } else if (source.substr(i, 2) == "->") {
      tokens.push_back({Token::Kind::punctuation, "->", line});
      i += 2;
    } else if (source.substr(i, 3) == "...") {
      tokens.push_back({Token::Kind::punctuation, "...", line});
      i += 3;
    } else if (is_word_char(c)) {
      const size_t begin = i;
      // An exponent's plus sign belongs to its number.
      while (i < source.size() && (is_word_char(source[i]) || (source[i] == '+' && source[i - 1] == 'e' &&
                                                               is_number(source.substr(begin, i - begin))))) {
        ++i;
      }
      std::string word(source.substr(begin, i - begin));
      line_start = false;
      const auto kind = is_number(word) ? Token::Kind::number : Token::Kind::word;
      tokens.push_back({kind, std::move(word), line});
    } else {
      line_start = false;
      tokens.push_back({Token::Kind::punctuation, std::string(1, c), line});
      ++i;
    }
  }
  tokens.push_back({Token::Kind::end, "end of text", line});
  return tokens;
}

}  // namespace edgesmith::ir
