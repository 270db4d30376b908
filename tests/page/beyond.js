// Everything that reaches beyond the screen's right edge, but for what scrolls by itself; and the page, if it scrolls sideways.
(() => {
  const width = document.documentElement.clientWidth;
  const found = [];
  if (document.documentElement.scrollWidth > width) found.push(`the page: ${document.documentElement.scrollWidth} of ${width} px`);
  const scrolls = element => {
    for (let one = element.parentElement; one; one = one.parentElement)
      if (['auto', 'scroll'].includes(getComputedStyle(one).overflowX)) return true;
    return false;
  };
  for (const element of document.body.querySelectorAll('*')) {
    const box = element.getBoundingClientRect();
    if (box.width > 1 && (box.right > width + 0.5 || (box.left < -0.5 && box.right > 0)) && !scrolls(element))
      found.push(`<${element.tagName} class="${element.getAttribute('class')}"> ${box.left.toFixed(0)} to ${box.right.toFixed(0)} of ${width} px`);
  }
  return found;
})()
