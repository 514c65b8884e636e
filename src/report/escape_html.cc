// SPDX-License-Identifier: Apache-2.0
#include "report/escape_html.h"

#include "edgesmith/base/text.h"

namespace edgesmith::report {

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : printable(text, true)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace edgesmith::report
