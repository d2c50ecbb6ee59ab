// The live charts beside the channel, drawn by uPlot in the page's own colours.

const { uPlot } = globalThis;
const panel = document.querySelector(".panel");
const boards = new Map(); // board_id -> { board, plot, box }
const dark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 979px)");

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const make = (tag, className, text = "") => {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
};

function axis(label) {
  const line = { stroke: colour("--line"), width: 1 };
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  return { label, stroke: colour("--muted"), grid: line, ticks: line, font, labelFont: font, labelSize: 20 };
}

function options(board, width) {
  const series = board.series.map((line, index) => ({
    label: line.name,
    stroke: colour(`--series-${(index % 6) + 1}`),
    width: 2,
    dash: line.is_dashed ? [6, 5] : undefined,
    spanGaps: true,
    points: { show: line.x.length === 1 },
    value: (_plot, value) => value?.toPrecision(3) ?? "",
  }));
  return {
    width,
    height: 220,
    scales: { x: { time: false } },
    series: [{ label: board.x_label, value: (_plot, value) => value?.toPrecision(3) ?? "" }, ...series],
    axes: [{ ...axis(board.x_label), size: 38 }, { ...axis(board.y_label), size: 52 }],
    cursor: { drag: { x: false, y: false } },
  };
}

function table({ series }) {
  return series.length ? uPlot.join(series.map((line) => [line.x, line.y])) : [[]];
}

function draw(entry) {
  entry.plot?.destroy();
  const width = entry.box.clientWidth;
  entry.plot = width ? new uPlot(options(entry.board, width), table(entry.board), entry.box) : null;
}

function place(board) {
  const frame = make("details", "board");
  frame.open = !narrow.matches;
  const box = make("div", "chart");
  box.setAttribute("role", "img");
  frame.append(make("summary", "board-title"), box, make("dl", "facts"));
  panel.prepend(frame);
  panel.hidden = false;
  const entry = { board, box, frame, plot: null };
  new ResizeObserver(() => draw(entry)).observe(box);
  return entry;
}

function list(entry) {
  const { board, frame, box } = entry;
  frame.querySelector(".board-title").textContent = board.title;
  box.ariaLabel = `${board.title}: ${board.series.map((line) => line.name).join(", ")}`;
  const facts = board.facts.map(([what, value]) => {
    const row = make("div", "fact");
    row.append(make("dt", "", what), make("dd", "", value));
    return row;
  });
  frame.querySelector(".facts").replaceChildren(...facts);
}

/** Show boards, or replace those with the same id; new points alone do not redraw the axes. */
export function showBoards(fresh) {
  for (const board of fresh) {
    const entry = boards.get(board.board_id) ?? place(board);
    const lines = (one) => JSON.stringify(one.series.map((line) => [line.name, line.is_dashed]));
    const isSame = entry.plot && lines(entry.board) === lines(board);
    entry.board = board;
    boards.set(board.board_id, entry);
    list(entry);
    if (isSame) entry.plot.setData(table(board));
    else draw(entry);
  }
}

dark.addEventListener("change", () => boards.forEach(draw));
