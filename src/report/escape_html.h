// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace edgesmith::report {

/// `text` as what it is between tags and inside of attributes: the characters of HTML escaped, and those that a browser
/// obeys or refuses (control characters, marks of direction, broken UTF-8) written out. Line breaks and tabs stay.
std::string escape_html(std::string_view text);

}  // namespace edgesmith::report
