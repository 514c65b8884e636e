// SPDX-License-Identifier: Apache-2.0
// Two models side by side, and where a model says that it comes from.
#pragma once

#include <string>

namespace edgesmith::cli {

/// Schema edgesmith.inspect-pair/1 of two documents of schema edgesmith.inspect/1.
std::string pair_json(const std::string& a, const std::string& b);
/// The figures of both documents and the operators whose numbers differ, as a table.
std::string pair_text(const std::string& a, const std::string& b, bool color);

/// The steps of an account (edgesmith.provenance) and what was measured: "simplify, quantize (weights int8);
/// top1 88.3".
/// "" for a text that is none.
std::string provenance_text(const std::string& account);

}  // namespace edgesmith::cli
