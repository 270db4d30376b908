// Which link or fold has the focus, and what is wrong with the way it shows it (WCAG 2.2, 2.4.7 and 2.4.11).
(() => {
  const element = document.activeElement;
  const which = [...document.querySelectorAll('a[href], summary')].indexOf(element);
  if (which < 0) return {};
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  let wrong = null;
  if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2) wrong = `no outline: ${style.outline}`;
  if (box.width < 2 || box.bottom < 0 || box.top > innerHeight || box.right < 0 || box.left > innerWidth)
    wrong = `out of sight: ${JSON.stringify(box)}`;
  return { which, wrong, text: element.textContent.trim() };
})()
