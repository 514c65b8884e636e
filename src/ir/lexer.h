// SPDX-License-Identifier: Apache-2.0
// Tokens of the text form.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "edgesmith/base/result.h"

namespace edgesmith::ir {

struct Token {
  enum class Kind { word, number, text, punctuation, end };
  Kind kind = Kind::end;
  std::string text;  ///< unescaped for `text`
  int line = 0;
};

/// Cuts `source` into tokens. Words may hold letters, digits and `_ . / -` ("->" is punctuation); a `#` that starts a
/// line begins a comment. Errors: invalid, with the line.
Result<std::vector<Token>> tokenize(std::string_view source);

}  // namespace edgesmith::ir
