// SPDX-License-Identifier: Apache-2.0
// Mean average precision of boxes, as COCO counts it: the mean over IoU thresholds 0.50, 0.55, ..., 0.95 and over the
// classes that have boxes among the labels, of the precision at 101 recalls (0, 0.01, ..., 1), made to fall.
//
// Within a picture and a class, boxes take labels in the order of their scores: each the one of largest IoU that is
// still free. (pycocotools, COCOeval.evaluateImg and accumulate; area "all", no crowds.)
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>

#include "data/metrics/metrics.h"

namespace edgesmith::data {
namespace {

constexpr size_t kIouThresholds = 10;
constexpr size_t kMostBoxes = 100;  // of a picture: those of the largest scores
constexpr int64_t kMostBoxClasses = 1 << 20;
// Numbers of a picture: how many boxes and classes follow; score and code of each box; code of each labelled class.
constexpr size_t kBoxCodes = 2, kLabelCodes = kBoxCodes + 2 * kMostBoxes;
constexpr int kMapWidth = kLabelCodes + kMostBoxes;
constexpr double kBoxHits = 1 << kIouThresholds;  // code of a box: class * kBoxHits + a bit for each threshold it meets
constexpr double kLabelCounts = 1 << 20;          // code of a class: class * kLabelCounts + its labels

struct Box {
  double x1, y1, x2, y2;
  double score;
  int64_t label;
  double area() const { return std::max(x2 - x1, 0.0) * std::max(y2 - y1, 0.0); }
};

double overlap(const Box& a, const Box& b) {
  const double width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  const double height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  if (width <= 0 || height <= 0) return 0;
  return width * height / (a.area() + b.area() - width * height);
}

/// Rows of the last axis: [1,D,columns] or [D,columns].
bool is_rows(const ir::Tensor& tensor, int64_t columns) {
  return tensor.rank() >= 2 && tensor.rank() <= 3 && tensor.dims().back() == columns &&
         (tensor.rank() == 2 || tensor.dims()[0] == 1);
}

/// One output of rows x1, y1, x2, y2, score, class; or three: boxes [N,D,4], scores [N,D] and classes [N,D], in any
/// order.
Result<std::vector<Box>> found_boxes(std::span<const ir::Tensor> outputs) {
  std::vector<Box> boxes;
  if (!outputs.empty() && is_rows(outputs[0], 6)) {
    const std::vector<float> rows = outputs[0].to_floats();
    for (size_t i = 0; i + 5 < rows.size(); i += 6) {
      boxes.push_back({rows[i], rows[i + 1], rows[i + 2], rows[i + 3], rows[i + 4], std::lround(rows[i + 5])});
    }
    return boxes;
  }
  const ir::Tensor *corners = nullptr, *scores = nullptr, *classes = nullptr;
  for (const ir::Tensor& output : outputs) {
    if (corners == nullptr && is_rows(output, 4) && ir::is_float(output.dtype())) {
      corners = &output;
    } else if (ir::is_integer(output.dtype())) {
      classes = classes == nullptr ? &output : classes;
    } else if (scores == nullptr && ir::is_float(output.dtype())) {
      scores = &output;
    } else if (classes == nullptr) {
      classes = &output;  // TensorFlow's detectors give classes as floats
    }
  }
  const bool fits = corners != nullptr && scores != nullptr && classes != nullptr &&
                    scores->size() * 4 == corners->size() && classes->size() == scores->size();
  if (!fits) {
    return unsupported_error(
        "the outputs are no boxes: " + (outputs.empty() ? std::string("none") : outputs[0].type().text()),
        "map wants rows [N,D,6] of x1, y1, x2, y2, score, class, or three outputs: boxes [N,D,4], scores and classes");
  }
  const std::vector<float> at = corners->to_floats(), score = scores->to_floats(), label = classes->to_floats();
  for (size_t i = 0; i < score.size(); ++i) {
    boxes.push_back({at[4 * i], at[4 * i + 1], at[4 * i + 2], at[4 * i + 3], score[i], std::lround(label[i])});
  }
  return boxes;
}

/// Rows x1, y1, x2, y2, class of the first expected output; rows of a negative class fill it up.
Result<std::vector<Box>> labelled_boxes(const Sample& sample) {
  if (sample.targets.empty() || !sample.targets[0].valid() || !is_rows(sample.targets[0], 5)) {
    return invalid_error("the sample has no labelled boxes",
                         "give an array y [N,G,5] of rows x1, y1, x2, y2, class (-1 where there is no box)");
  }
  const std::vector<float> rows = sample.targets[0].to_floats();
  std::vector<Box> boxes;
  for (size_t i = 0; i + 4 < rows.size(); i += 5) {
    const Box box{rows[i], rows[i + 1], rows[i + 2], rows[i + 3], 0, std::lround(rows[i + 4])};
    if (box.label >= 0) boxes.push_back(box);
  }
  return boxes;
}

// Rounded as numpy.linspace does: overlaps and recalls lie on these numbers often enough to tell.
double iou_threshold(size_t t) { return t == 9 ? 0.95 : 0.5 + (0.95 - 0.5) / 9 * static_cast<double>(t); }
double wanted_recall(int r) { return r == 100 ? 1 : 0.01 * r; }

/// For every found box (largest scores first) the thresholds at which it meets a label, as bits.
std::vector<unsigned> meet(const std::vector<Box>& found, const std::vector<Box>& labels) {
  std::vector<unsigned> hits(found.size(), 0);
  for (size_t t = 0; t < kIouThresholds; ++t) {
    std::vector<bool> taken(labels.size(), false);
    for (size_t d = 0; d < found.size(); ++d) {
      double most = std::min(iou_threshold(t), 1 - 1e-10);
      std::optional<size_t> best;
      for (size_t g = 0; g < labels.size(); ++g) {
        if (taken[g] || labels[g].label != found[d].label) continue;
        const double iou = overlap(found[d], labels[g]);
        if (iou < most) continue;
        most = iou;
        best = g;
      }
      if (!best) continue;
      taken[*best] = true;
      hits[d] |= 1u << t;
    }
  }
  return hits;
}

Status sample_map(std::span<const ir::Tensor> outputs, std::span<const ir::Tensor>, const Sample& sample,
                  std::span<double> numbers) {
  auto found = found_boxes(outputs);
  if (!found) return found.error();
  auto labels = labelled_boxes(sample);
  if (!labels) return labels.error();
  // Rows that fill an output up have no score or no class.
  std::erase_if(*found, [](const Box& box) { return !(box.score > 0) || box.label < 0; });
  std::stable_sort(found->begin(), found->end(), [](const Box& a, const Box& b) { return a.score > b.score; });
  if (found->size() > kMostBoxes) found->resize(kMostBoxes);
  std::map<int64_t, int64_t> counts;
  for (const Box& box : *labels) ++counts[box.label];
  const int64_t largest = counts.empty() ? 0 : counts.rbegin()->first;
  if (counts.size() > kMostBoxes || largest >= kMostBoxClasses || labels->size() >= kLabelCounts) {
    return unsupported_error("map is for at most " + std::to_string(kMostBoxes) +
                             " classes in a picture, numbered below " + std::to_string(kMostBoxClasses));
  }
  std::erase_if(*found, [](const Box& box) { return box.label >= kMostBoxClasses; });
  const std::vector<unsigned> hits = meet(*found, *labels);
  std::fill(numbers.begin(), numbers.end(), 0.0);
  numbers[0] = static_cast<double>(found->size());
  numbers[1] = static_cast<double>(counts.size());
  for (size_t d = 0; d < found->size(); ++d) {
    numbers[kBoxCodes + 2 * d] = (*found)[d].score;
    numbers[kBoxCodes + 2 * d + 1] = static_cast<double>((*found)[d].label) * kBoxHits + hits[d];
  }
  size_t at = kLabelCodes;
  for (const auto& [label, count] : counts) {
    numbers[at++] = static_cast<double>(label) * kLabelCounts + static_cast<double>(count);
  }
  return {};
}

struct ScoredBox {
  double score;
  unsigned hits;
};

/// What all pictures say of one class.
struct ClassBoxes {
  std::vector<ScoredBox> found;
  double labels = 0;
};

/// Mean precision at 101 recalls, of boxes sorted by score.
double average_precision(const ClassBoxes& boxes, size_t t) {
  const size_t count = boxes.found.size();
  std::vector<double> recall(count), precision(count);
  double met = 0;
  for (size_t d = 0; d < count; ++d) {
    met += (boxes.found[d].hits >> t) & 1;
    recall[d] = met / boxes.labels;
    precision[d] = met / static_cast<double>(d + 1);
  }
  for (size_t d = count; d-- > 1;) precision[d - 1] = std::max(precision[d - 1], precision[d]);
  double sum = 0;
  size_t at = 0;
  for (int r = 0; r <= 100; ++r) {
    while (at < count && recall[at] < wanted_recall(r)) ++at;
    if (at < count) sum += precision[at];
  }
  return sum / 101;
}

double combine_map(std::span<const double> numbers, int width) {
  EDGESMITH_CHECK(width == kMapWidth);
  std::map<int64_t, ClassBoxes> classes;
  for (size_t i = 0; i < numbers.size(); i += kMapWidth) {
    const std::span<const double> row = numbers.subspan(i, kMapWidth);
    for (size_t d = 0; d < static_cast<size_t>(row[0]); ++d) {
      const auto code = static_cast<int64_t>(row[kBoxCodes + 2 * d + 1]);
      const auto hits = static_cast<int64_t>(kBoxHits);
      classes[code / hits].found.push_back({row[kBoxCodes + 2 * d], static_cast<unsigned>(code % hits)});
    }
    for (size_t c = 0; c < static_cast<size_t>(row[1]); ++c) {
      const auto code = static_cast<int64_t>(row[kLabelCodes + c]), counts = static_cast<int64_t>(kLabelCounts);
      classes[code / counts].labels += static_cast<double>(code % counts);
    }
  }
  double sum = 0, used = 0;
  for (auto& [label, boxes] : classes) {
    if (boxes.labels == 0) continue;
    std::stable_sort(boxes.found.begin(), boxes.found.end(),
                     [](const ScoredBox& a, const ScoredBox& b) { return a.score > b.score; });
    for (size_t t = 0; t < kIouThresholds; ++t) sum += average_precision(boxes, t);
    used += kIouThresholds;
  }
  return used > 0 ? sum / used : 0;
}

bool has_labelled_box(std::span<const double> numbers, int width) {
  for (size_t i = 1; i < numbers.size(); i += static_cast<size_t>(width)) {
    if (numbers[i] > 0) return true;
  }
  return false;
}

}  // namespace

MetricInfo map() {
  return {"map",       "mean average precision of boxes at IoU 0.50 to 0.95, as COCO",
          "",          true,
          true,        false,
          kMapWidth,   sample_map,
          combine_map, has_labelled_box};
}

}  // namespace edgesmith::data
