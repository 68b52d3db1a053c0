// Reads histograms and a log from standard input, and says what hdr-histogram-js makes of them.
const hdr = require("hdr-histogram-js");

const SHARES = [0, 50, 90, 99, 99.9, 100];
const MILLISECOND = 1e6;

function said(histogram) {
  return {
    count: histogram.totalCount,
    least: histogram.minNonZeroValue,
    values: SHARES.map((share) => histogram.getValueAtPercentile(share)),
    table: histogram.outputPercentileDistribution(5, MILLISECOND),
  };
}

const given = JSON.parse(require("fs").readFileSync(0, "utf8"));
// 64-bit counters, as the histograms may hold many values.
const decoded = given.texts.map((text) => said(hdr.decodeFromCompressedBase64(text, 64)));
const reader = new hdr.HistogramLogReader(given.log, 64);
const intervals = [];
for (let next = reader.nextIntervalHistogram(); next; next = reader.nextIntervalHistogram()) {
  intervals.push({
    tag: next.tag,
    from_ms: next.startTimeStampMsec,
    to_ms: next.endTimeStampMsec,
    ...said(next),
  });
}
process.stdout.write(JSON.stringify({ decoded, intervals }));
