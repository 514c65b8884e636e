// SPDX-License-Identifier: Apache-2.0
// libFuzzer entry: any bytes as a name from a model's file. Nothing of it may act on a terminal or on a web page.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "edgesmith/base/text.h"
#include "report/escape_html.h"

namespace {

bool is_control(char c) { return (c >= 0 && c < 0x20) || c == 0x7f; }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view name(reinterpret_cast<const char*>(data), size);
  const std::string shown = edgesmith::printable(name);
  for (const char c : shown) {
    if (is_control(c)) std::abort();
  }
  if (edgesmith::printable(shown) != shown) std::abort();
  const std::string html = edgesmith::report::escape_html(name);
  for (const char c : html) {
    if ((is_control(c) && c != '\n' && c != '\t') || c == '<' || c == '>' || c == '"' || c == '\'') std::abort();
  }
  // Every ampersand begins one of our own entities.
  for (size_t at = html.find('&'); at != std::string::npos; at = html.find('&', at + 1)) {
    const std::string_view rest = std::string_view(html).substr(at);
    bool known = false;
    for (const char* entity : {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"}) known = known || rest.starts_with(entity);
    if (!known) std::abort();
  }
  return 0;
}
