// SPDX-License-Identifier: Apache-2.0
// Augmentation as text, for the command line and recipes.
#include <algorithm>
#include <string>
#include <vector>

#include "edgesmith/base/text.h"
#include "edgesmith/data/augment.h"
#include "edgesmith/data/preprocess.h"

namespace edgesmith::data {
namespace {

constexpr const char* kExample = "write it like flip,shift=4,cutout=8,mixup=0.2,noise=0.01, or none";
const std::vector<std::string> kWords = {"flip", "shift", "cutout", "mixup", "noise"};
// Pictures are not larger; shares and noise beyond it mean nothing.
constexpr int64_t kMostPixels = 65536;
constexpr double kLargestNumber = 1000;

Error bad(const std::string& word, const std::string& what) {
  return usage_error("augment: " + word + " " + what, kExample);
}

// "4", of something that takes a number.
Status read(const std::string& word, const std::string& text, double most, bool whole, double& value) {
  const std::string takes = whole ? "takes a whole number of pixels" : "takes a number";
  if (text.empty()) return bad(word, takes + ", as in " + word + (whole ? "=4" : "=0.1"));
  if (!parse_number(text, value).ok()) return bad(word, takes + ", not '" + text + "'");
  if (whole && value != static_cast<double>(static_cast<int64_t>(std::clamp(value, -most, most)))) {
    return bad(word, takes + " up to " + shortest(most) + ", not '" + text + "'");
  }
  if (!(value > 0) || value > most) return bad(word, "is " + text + ", must be above 0 and at most " + shortest(most));
  return {};
}

}  // namespace

Result<Augment> parse_augment(std::string_view text) {
  Augment augment;
  if (text.empty() || text == "none") return augment;
  std::vector<std::string> seen;
  for (const std::string& part : split(text, ',')) {
    const size_t equals = part.find('=');
    const std::string word = part.substr(0, equals);
    const std::string number = equals == std::string::npos ? "" : part.substr(equals + 1);
    if (std::find(kWords.begin(), kWords.end(), word) == kWords.end()) {
      const std::string near = nearest(word, kWords);
      return usage_error("augment: unknown word '" + word + "'",
                         near.empty() ? "it knows " + join(kWords, ", ") : "did you mean '" + near + "'?");
    }
    if (std::find(seen.begin(), seen.end(), word) != seen.end()) return bad(word, "is there twice");
    seen.push_back(word);
    double value = 0;
    if (word == "flip") {
      if (equals != std::string::npos) return bad(word, "takes no number");
      augment.flip = true;
    } else {
      const bool whole = word == "shift" || word == "cutout";
      EDGESMITH_TRY(read(word, number, whole ? kMostPixels : kLargestNumber, whole, value));
      if (word == "shift") augment.shift = static_cast<int64_t>(value);
      if (word == "cutout") augment.cutout = static_cast<int64_t>(value);
      if (word == "mixup") augment.mixup = value;
      if (word == "noise") augment.noise = value;
    }
  }
  return augment;
}

std::string Augment::text() const {
  std::vector<std::string> parts;
  if (flip) parts.emplace_back("flip");
  if (shift > 0) parts.push_back("shift=" + std::to_string(shift));
  if (cutout > 0) parts.push_back("cutout=" + std::to_string(cutout));
  if (mixup > 0) parts.push_back("mixup=" + shortest(mixup));
  if (noise > 0) parts.push_back("noise=" + shortest(noise));
  return parts.empty() ? "none" : join(parts, ",");
}

}  // namespace edgesmith::data
