// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/data/preprocess.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "data/image.h"
#include "edgesmith/base/text.h"

namespace edgesmith::data {
namespace {

const std::vector<std::string> kColors = {"rgb", "bgr", "gray"};
const std::vector<std::string> kLayouts = {"nchw", "nhwc"};

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool read_double(std::string_view text, double& value) {
  text = trimmed(text);
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  return end.ec == std::errc() && end.ptr == text.data() + text.size() && std::isfinite(value);
}

bool read_size(std::string_view text, int64_t& value) {
  text = trimmed(text);
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  return end.ec == std::errc() && end.ptr == text.data() + text.size() && value > 0;
}

Status check_word(const char* key, const std::string& word, const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), word) != known.end()) return {};
  const std::string near = nearest(word, known);
  return usage_error(std::string("preprocess.") + key + ": unknown value '" + word + "'",
                     near.empty() ? "it is one of " + join(known, ", ") : "did you mean '" + near + "'?");
}

Status set_resize(Preprocess& preprocess, std::string_view text) {
  const size_t times = text.find_first_of("x,");
  int64_t first = 0, second = 0;
  if (!read_size(text.substr(0, times), first) ||
      (times != std::string_view::npos && !read_size(text.substr(times + 1), second))) {
    return usage_error("resize: cannot read '" + std::string(text) + "'",
                       "write the shorter side as 256, or height and width as 224x224");
  }
  preprocess.resize_short = second == 0 ? first : 0;
  preprocess.resize_to = second == 0 ? std::vector<int64_t>() : std::vector<int64_t>{first, second};
  return {};
}

}  // namespace

Status parse_number(std::string_view text, double& value) {
  const size_t slash = text.find('/');
  double above = 0, below = 1;
  if (!read_double(text.substr(0, slash), above) ||
      (slash != std::string_view::npos && (!read_double(text.substr(slash + 1), below) || below == 0))) {
    return usage_error("cannot read '" + std::string(text) + "' as a number", "write 0.5 or 1/255");
  }
  value = above / below;
  return {};
}

Status parse_numbers(std::string_view text, std::vector<double>& values) {
  std::vector<double> read;
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    double value = 0;
    EDGESMITH_TRY(parse_number(text.substr(at, comma - at), value));
    read.push_back(value);
    at = comma + 1;
  }
  values = std::move(read);
  return {};
}

const std::vector<std::string>& preprocess_flags() {
  static const std::vector<std::string> flags = {"color",  "crop-fraction", "resize", "filter", "crop",
                                                 "layout", "scale",         "mean",   "std"};
  return flags;
}

Status set_preprocess_flag(Preprocess& preprocess, std::string_view flag, std::string_view text) {
  const auto read = [&]() -> Status {
    if (flag == "color") {
      preprocess.color = text;
    } else if (flag == "crop-fraction") {
      EDGESMITH_TRY(parse_number(text, preprocess.crop_fraction));
      if (preprocess.crop_fraction <= 0) return usage_error("the share must lie in (0, 1]");
    } else if (flag == "resize") {
      EDGESMITH_TRY(set_resize(preprocess, text));
    } else if (flag == "filter") {
      preprocess.filter = text;
    } else if (flag == "crop") {
      if (!read_size(text, preprocess.crop)) return usage_error("cannot read '" + std::string(text) + "' as a size");
    } else if (flag == "layout") {
      preprocess.layout = text;
    } else if (flag == "scale") {
      EDGESMITH_TRY(parse_number(text, preprocess.scale));
    } else if (flag == "mean") {
      EDGESMITH_TRY(parse_numbers(text, preprocess.mean));
    } else if (flag == "std") {
      EDGESMITH_TRY(parse_numbers(text, preprocess.std));
    } else {
      return usage_error("unknown preprocessing flag");
    }
    return check_preprocess(preprocess);
  };
  const Status status = read();
  return status.ok() ? status : Status(status.error().in("--" + std::string(flag)));
}

std::string preprocess_flag(const Preprocess& preprocess, std::string_view flag) {
  const auto list = [](const std::vector<double>& values) {
    std::vector<std::string> words;
    for (const double value : values) words.push_back(shortest(value));
    return join(words, ",");
  };
  const Preprocess fallback;
  const auto& to = preprocess.resize_to;
  if (flag == "color") return preprocess.color;
  if (flag == "crop-fraction") return preprocess.crop_fraction > 0 ? shortest(preprocess.crop_fraction) : "";
  if (flag == "resize" && !to.empty()) return std::to_string(to[0]) + "x" + std::to_string(to[1]);
  if (flag == "resize") return preprocess.resize_short > 0 ? std::to_string(preprocess.resize_short) : "";
  if (flag == "filter") return preprocess.filter != fallback.filter ? preprocess.filter : "";
  if (flag == "crop") return preprocess.crop > 0 ? std::to_string(preprocess.crop) : "";
  if (flag == "layout") return preprocess.layout != fallback.layout ? preprocess.layout : "";
  if (flag == "scale") return preprocess.scale != fallback.scale ? shortest(preprocess.scale) : "";
  if (flag == "mean") return list(preprocess.mean);
  if (flag == "std") return list(preprocess.std);
  return "";
}

Status check_preprocess(const Preprocess& preprocess) {
  if (!preprocess.color.empty()) EDGESMITH_TRY(check_word("color", preprocess.color, kColors));
  EDGESMITH_TRY(check_word("filter", preprocess.filter, resize_filters()));
  EDGESMITH_TRY(check_word("layout", preprocess.layout, kLayouts));
  if (!(preprocess.crop_fraction >= 0 && preprocess.crop_fraction <= 1)) {
    return usage_error("preprocess.crop_fraction: " + shortest(preprocess.crop_fraction) + " is not in (0, 1]");
  }
  if (preprocess.resize_short < 0 || preprocess.crop < 0) {
    return usage_error("preprocess: sizes of resize and crop must be positive");
  }
  const auto& to = preprocess.resize_to;
  if (!to.empty() && (to.size() != 2 || to[0] <= 0 || to[1] <= 0)) {
    return usage_error("preprocess.resize: 'to' takes two positive numbers, [height, width]");
  }
  if (!to.empty() && preprocess.resize_short > 0) {
    return usage_error("preprocess.resize: both 'short' and 'to' are given", "keep one of them");
  }
  // Sizes are bounded so that a slip of the pen does not ask for all memory.
  const int64_t largest = std::max({preprocess.resize_short, preprocess.crop, to.empty() ? 0 : std::max(to[0], to[1])});
  if (largest > 16384) return usage_error("preprocess: a picture side of " + std::to_string(largest) + " is too large");
  if (preprocess.scale == 0 || !std::isfinite(preprocess.scale)) {
    return usage_error("preprocess.scale: " + shortest(preprocess.scale) + " is not a finite number other than zero");
  }
  for (const double value : preprocess.std) {
    if (value == 0 || !std::isfinite(value)) {
      return usage_error("preprocess.std: " + shortest(value) + " is not a finite number other than zero");
    }
  }
  for (const double value : preprocess.mean) {
    if (!std::isfinite(value)) return usage_error("preprocess.mean: " + shortest(value) + " is not finite");
  }
  return {};
}

PreprocessTable with_folded(const PreprocessTable& left, const PreprocessTable& folded) {
  PreprocessTable whole = left;
  for (const auto& [name, moved] : folded) {
    const auto row = std::find_if(whole.begin(), whole.end(), [&](const auto& one) { return one.first == name; });
    if (row == whole.end()) continue;
    Preprocess& all = row->second;
    all.scale = moved.scale, all.mean = moved.mean, all.std = moved.std, all.layout = moved.layout;
    if (!moved.color.empty()) all.color = moved.color;
  }
  return whole;
}

bool Preprocess::empty() const {
  return color.empty() && crop_fraction == 0 && resize_short == 0 && resize_to.empty() && crop == 0 &&
         layout == "nchw" && scale == 1 && mean.empty() && std.empty();
}

}  // namespace edgesmith::data
