// Every text that can be seen and has less contrast with its ground than 4.5 : 1 (WCAG 2.2, 1.4.3), whatever its size.
(() => {
  const rgba = text => {
    const part = text.match(/[\d.]+/g).map(Number);
    return { r: part[0], g: part[1], b: part[2], a: part.length > 3 ? part[3] : 1 };
  };
  const over = (top, under) => {
    const mix = key => top[key] * top.a + under[key] * (1 - top.a);
    return { r: mix('r'), g: mix('g'), b: mix('b'), a: 1 };
  };
  const ground = element => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) {
      const colour = rgba(getComputedStyle(one).backgroundColor);
      if (colour.a > 0) layers.push(colour);
      if (colour.a === 1) break;
    }
    const paper = matchMedia('(prefers-color-scheme: dark)').matches ? { r: 18, g: 18, b: 18, a: 1 } : { r: 255, g: 255, b: 255, a: 1 };
    return layers.reduceRight((under, top) => over(top, under), paper);
  };
  const light = colour => {
    const one = c => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * one(colour.r) + 0.7152 * one(colour.g) + 0.0722 * one(colour.b);
  };
  const found = [];
  let looked = 0;
  const look = (element, style, text) => {
    if (!text.trim() || style.visibility === 'hidden' || style.display === 'none' || style.clipPath !== 'none') return;
    const under = ground(element);
    const ink = over(rgba(element.namespaceURI.endsWith('svg') ? style.fill : style.color), under);
    const [a, b] = [light(ink), light(under)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    looked += 1;
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} <${element.tagName} class="${element.getAttribute('class')}"> ${text.trim().slice(0, 60)}`);
  };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (element.tagName === 'title' || element.closest('.hidden, .skip')) continue;
    look(element, getComputedStyle(element), walk.currentNode.textContent);
  }
  for (const element of document.body.querySelectorAll('*'))
    for (const part of ['::before', '::after']) {
      const style = getComputedStyle(element, part);
      if (!['none', 'normal'].includes(style.content)) look(element, style, style.content);
    }
  if (looked < 5) found.push(`only ${looked} texts were found`);
  return found;
})()
