// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/report/html.h"

#include <gtest/gtest.h>

#include <limits>

#include "edgesmith/base/file.h"
#include "report/escape_html.h"
#include "report/sample_report.h"
#include "support/tiny_model.h"

namespace edgesmith::report {
namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Html, FetchesNothingAndRunsNoScript) {
  const std::string html = run_html(sample_report());
  for (const char* part : {"http://", "https://", "//cdn", "<script", "<link", "@import", "url(", " src="}) {
    EXPECT_FALSE(contains(html, part)) << part;
  }
}

TEST(Html, NamesAreTextWhateverTheyHold) {
  struct Row {
    std::string name, shown;
  };
  const Row rows[] = {
      {"<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"},
      {"\" onload=\"x", "&quot; onload=&quot;x"},
      {"' onclick='x", "&#39; onclick=&#39;x"},
      {"a&lt;b", "a&amp;lt;b"},
      {"\033[2Jq\xff", "\\x1b[2Jq\\xff"},
      {"\xe2\x80\xae"
       "exe",
       "\\u202eexe"},
      {"two\nlines", "two\nlines"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(escape_html(row.name), row.shown);
    refine::RunReport report = sample_report();
    report.steps[1].layers[0].node = row.name;
    report.recipe.target = row.name;
    report.warnings = {row.name};
    const std::string html = run_html(report);
    EXPECT_TRUE(contains(html, row.shown)) << row.shown;
    if (row.name != row.shown && row.name != "a&lt;b") {
      EXPECT_FALSE(contains(html, row.name)) << row.shown;
    }
  }
}

TEST(Html, ShowsStepsPlotsLayersAndSettings) {
  const std::string html = run_html(sample_report());
  for (const char* part :
       {"fold-constants", "rolled back", "accuracy against size", "SQNR of each layer", "range of each tensor",
        "outlier channel 3", "ort-&lt;arm&gt;", "max_drop = 0.5", "test.npz", "Warnings"}) {
    EXPECT_TRUE(contains(html, part)) << part;
  }
}

TEST(Html, ShowsDensityAndCodebooksOfEachLayer) {
  const std::string html = run_html(sample_report());
  for (const char* part :
       {"Density after fold-constants (undone)", "density of each layer", "pruned&lt;conv&gt;", "25.0 %",
        "25 of 100 weights are not zero", "codebooks of each layer", "shared_conv", "2 codebooks of 4"}) {
    EXPECT_TRUE(contains(html, part)) << part;
  }
  size_t entries = 0;
  for (size_t at = html.find("class=\"entry\""); at != std::string::npos; at = html.find("class=\"entry\"", at + 1)) {
    ++entries;
  }
  EXPECT_EQ(entries, 3u);
  refine::RunReport plain = sample_report();
  plain.steps[1].weights.clear();
  EXPECT_FALSE(contains(run_html(plain), "Density after"));
  EXPECT_FALSE(contains(run_html(plain), "Codebooks after"));
}

TEST(Html, DrawsTheCurvesOfATraining) {
  const std::string html = run_html(sample_report());
  for (const char* part :
       {"<h2>Training</h2>", "losses of fold-constants", "agreement in fold-constants", "agreement, %"}) {
    EXPECT_TRUE(contains(html, part)) << part;
  }
  refine::RunReport report = sample_report();
  report.steps[1].curves = {{"loss", "", {4, 8}, {0, 0}}};
  EXPECT_FALSE(contains(run_html(report), "nan"));
  report.steps[1].curves.clear();
  EXPECT_FALSE(contains(run_html(report), "<h2>Training</h2>"));
}

TEST(Html, DrawsWeightsThatAreAllEqual) {
  refine::RunReport report = sample_report();
  report.steps[1].weights = {{"flat", "conv", 9, 9, 9, 0.5, 0.5, {9, 0, 0}, 1, 1, {0.5}}};
  const std::string html = run_html(report);
  EXPECT_TRUE(contains(html, "1 codebook of 1"));
  EXPECT_FALSE(contains(html, "nan"));
}

TEST(Html, EscapesNamesOfTheModel) {
  const std::string html = run_html(sample_report());
  EXPECT_TRUE(contains(html, "&lt;a&amp;b&gt;.onnx"));
  EXPECT_TRUE(contains(html, "stem&lt;conv&gt;"));
  EXPECT_FALSE(contains(html, "<a&b>"));
  EXPECT_FALSE(contains(html, "stem<conv>"));
}

TEST(Html, LeavesOutWhatWasNotMeasured) {
  refine::RunReport report = sample_report();
  report.baseline.reset();
  report.final_metric.reset();
  report.final_agreement.reset();
  report.output.reset();
  for (refine::StepReport& step : report.steps) {
    step.metric.reset();
    step.layers.clear();
  }
  const std::string html = run_html(report);
  EXPECT_FALSE(contains(html, "accuracy against size"));
  EXPECT_FALSE(contains(html, "SQNR of each layer"));
  EXPECT_TRUE(contains(html, "fold-constants"));
}

TEST(Html, ShowsWhatSelectWeighed) {
  refine::RunReport report = sample_report();
  EXPECT_FALSE(contains(run_html(report), "Selection"));
  refine::StepReport select;
  select.pass = "select";
  for (int i = 0; i < 50; ++i) {
    passes::LayerRecord layer;
    layer.node = "node<" + std::to_string(i) + ">";
    layer.op = "Conv";
    layer.status = i % 2 == 0 ? "int8" : "float";
    layer.reason = "the faster one";
    layer.numbers = {{"int8_us", 100.0 + i}, {"float_us", 120.0 - i}};
    select.layers.push_back(layer);
  }
  select.layers[3].numbers["int8_us"] = std::numeric_limits<double>::infinity();
  report.steps.push_back(select);
  const std::string html = run_html(report);
  EXPECT_TRUE(contains(html, "Selection"));
  EXPECT_TRUE(contains(html, "node&lt;49&gt; (Conv) in float32: 71 us, chosen: the faster one"));
  EXPECT_TRUE(contains(html, "node&lt;49&gt; (Conv) in int8: 149 us<"));
  EXPECT_FALSE(contains(html, "node&lt;3&gt; (Conv) in")) << "a time that is no number";
  EXPECT_FALSE(contains(html, "node&lt;10&gt; (Conv) in")) << "the cheap ones are left out";
  EXPECT_FALSE(contains(html, "=\"inf"));
}

TEST(Html, DrawsNoNumberThatIsNotFinite) {
  refine::RunReport report = sample_report();
  report.steps[0].metric->value = std::numeric_limits<double>::quiet_NaN();
  report.steps[1].layers[0].numbers["sqnr_db"] = std::numeric_limits<double>::infinity();
  report.steps[1].layers[0].numbers["max"] = std::numeric_limits<double>::quiet_NaN();
  const std::string html = run_html(report);
  EXPECT_FALSE(contains(html, "=\"nan"));
  EXPECT_FALSE(contains(html, "=\"inf"));
  EXPECT_FALSE(contains(html, "=\"-nan"));
}

TEST(Html, IsWrittenBesideTheJson) {
  const testing::TemporaryFolder folder;
  ASSERT_TRUE(write_report(sample_report(), folder / "new/deep").ok());
  EXPECT_EQ(*read_file(folder / "new/deep/report.html"), run_html(sample_report()));
  EXPECT_TRUE(read_file(folder / "new/deep/report.json").ok());
}

}  // namespace
}  // namespace edgesmith::report
