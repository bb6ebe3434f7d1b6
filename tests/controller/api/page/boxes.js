// What a person would call cut, overlapping or mirrored, as a list of complaints.
(() => {
  const wrong = [], wide = document.documentElement.clientWidth, pieces = [];
  if (document.scrollingElement.scrollWidth > wide) wrong.push(`the page is ${document.scrollingElement.scrollWidth} wide, the window ${wide}`);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const shown = (node) => node.parentElement.checkVisibility() && !node.parentElement.closest("script, dialog:not([open]), noscript");
  const range = document.createRange();
  const box = (node, from, to) => { range.setStart(node, from); range.setEnd(node, to); return range.getBoundingClientRect(); };
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!node.data.trim() || !shown(node)) continue;
    range.selectNodeContents(node);
    for (const rect of range.getClientRects()) {
      if (rect.width < 1) continue;
      if (rect.left < -0.5 || rect.right > wide + 0.5) wrong.push(`outside: ${node.data}`);
      // A line's box is as high as its font wants it; what is drawn is in the middle of it.
      pieces.push({ text: node.data, node, left: rect.left, right: rect.right, top: rect.top + rect.height * 0.25, bottom: rect.bottom - rect.height * 0.25 });
    }
    for (const found of node.data.matchAll(/[+-]?\d[\d.,:]*\d(?: ?[kM]?Wh?| %)?/g)) {
      const first = box(node, found.index, found.index + 1), last = box(node, found.index + found[0].length - 1, found.index + found[0].length);
      if (Math.abs(first.top - last.top) < 2 && first.left >= last.left) wrong.push(`mirrored: ${found[0]}`);
    }
  }
  pieces.forEach((one, k) => {
    for (const other of pieces.slice(k + 1)) {
      const across = Math.min(one.right, other.right) - Math.max(one.left, other.left), down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
      if (one.node !== other.node && across > 1 && down > 1) wrong.push(`overlap by ${across.toFixed()} x ${down.toFixed()}: ${one.text} | ${other.text}`);
    }
  });
  for (const each of document.body.querySelectorAll("*")) {
    if (each.checkVisibility() && each.closest("main, header, form") && each.scrollWidth > each.clientWidth + 1 && each.clientWidth && !["visible"].includes(getComputedStyle(each).overflowX)) wrong.push(`cut: ${each.tagName} ${each.className}`);
  }
  return wrong;
})()
