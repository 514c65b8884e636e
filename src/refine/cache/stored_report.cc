// SPDX-License-Identifier: Apache-2.0
#include "refine/cache/stored_report.h"

namespace edgesmith::refine {
namespace {

void store_reals(const std::vector<double>& values, BinaryWriter& out) {
  out.u64(values.size());
  for (const double value : values) out.real(value);
}
void restore_reals(BinaryReader& in, std::vector<double>& values) {
  values.resize(in.count());
  for (double& value : values) value = in.real();
}

void store_numbers(const std::map<std::string, double>& numbers, BinaryWriter& out) {
  out.u64(numbers.size());
  for (const auto& [name, value] : numbers) {
    out.text(name);
    out.real(value);
  }
}
void restore_numbers(BinaryReader& in, std::map<std::string, double>& numbers) {
  for (size_t left = in.count(); left > 0; --left) {
    const std::string name = in.text();
    numbers[name] = in.real();
  }
}

void store_picture(const WeightPicture& picture, BinaryWriter& out) {
  out.text(picture.node);
  out.text(picture.op);
  for (const int64_t number : {picture.elements, picture.nonzero_before, picture.nonzero, picture.codebooks,
                               picture.codebook_size, static_cast<int64_t>(picture.histogram.size())}) {
    out.i64(number);
  }
  for (const int64_t count : picture.histogram) out.i64(count);
  out.real(picture.low);
  out.real(picture.high);
  store_reals(picture.entries, out);
}
void restore_picture(BinaryReader& in, WeightPicture& picture) {
  picture.node = in.text();
  picture.op = in.text();
  for (int64_t* number :
       {&picture.elements, &picture.nonzero_before, &picture.nonzero, &picture.codebooks, &picture.codebook_size}) {
    *number = in.i64();
  }
  picture.histogram.resize(in.count());
  for (int64_t& count : picture.histogram) count = in.i64();
  picture.low = in.real();
  picture.high = in.real();
  restore_reals(in, picture.entries);
}

}  // namespace

void store_texts(const std::vector<std::string>& texts, BinaryWriter& out) {
  out.u64(texts.size());
  for (const std::string& text : texts) out.text(text);
}
void restore_texts(BinaryReader& in, std::vector<std::string>& texts) {
  texts.resize(in.count());
  for (std::string& text : texts) text = in.text();
}

void store_findings(const StepReport& report, BinaryWriter& out) {
  store_texts(report.notes, out);
  out.u64(report.layers.size());
  for (const passes::LayerRecord& layer : report.layers) {
    store_texts({layer.node, layer.op, layer.value, layer.status, layer.reason, layer.advice}, out);
    store_numbers(layer.numbers, out);
  }
  out.u64(report.weights.size());
  for (const WeightPicture& picture : report.weights) store_picture(picture, out);
  out.u64(report.curves.size());
  for (const train::Curve& curve : report.curves) {
    out.text(curve.name);
    out.text(curve.unit);
    store_reals(curve.steps, out);
    store_reals(curve.values, out);
  }
  store_numbers(report.measured, out);
}

void restore_findings(BinaryReader& in, StepReport& report) {
  restore_texts(in, report.notes);
  report.layers.resize(in.count());
  for (passes::LayerRecord& layer : report.layers) {
    std::vector<std::string> texts;
    restore_texts(in, texts);
    texts.resize(6);
    layer = {texts[0], texts[1], texts[2], texts[3], texts[4], texts[5], {}};
    restore_numbers(in, layer.numbers);
  }
  report.weights.resize(in.count());
  for (WeightPicture& picture : report.weights) restore_picture(in, picture);
  report.curves.resize(in.count());
  for (train::Curve& curve : report.curves) {
    curve.name = in.text();
    curve.unit = in.text();
    restore_reals(in, curve.steps);
    restore_reals(in, curve.values);
  }
  restore_numbers(in, report.measured);
}

void take_findings(StepReport found, StepReport& report) {
  report.notes = std::move(found.notes);
  report.layers = std::move(found.layers);
  report.weights = std::move(found.weights);
  report.curves = std::move(found.curves);
  report.measured = std::move(found.measured);
}

void store_evaluation(const Evaluation& evaluation, BinaryWriter& out) {
  out.i64(evaluation.samples);
  out.real(evaluation.seconds);
  out.u64(evaluation.metrics.size());
  for (const MetricNumbers& numbers : evaluation.metrics) {
    out.text(numbers.metric->name);
    store_reals(numbers.numbers, out);
  }
}

bool restore_evaluation(BinaryReader& in, Evaluation& evaluation) {
  evaluation.samples = in.i64();
  evaluation.seconds = in.real();
  evaluation.metrics.resize(in.count());
  for (MetricNumbers& numbers : evaluation.metrics) {
    numbers.metric = data::find_metric(in.text());
    restore_reals(in, numbers.numbers);
    numbers.samples = evaluation.samples;
    if (numbers.metric == nullptr) return false;
  }
  return true;
}

}  // namespace edgesmith::refine
