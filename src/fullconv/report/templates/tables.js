// Tables are sorted by the buttons in their heads, which this script puts there.
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const valueOf = (row, column) => {
    const text = row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
    return text === "" || text === "-" ? null : Number.isNaN(Number(text)) ? text : Number(text);
  };
  const compare = (a, b) => typeof a === typeof b && typeof a === "number" ? a - b
    : String(a).localeCompare(String(b), undefined, {numeric: true});
  heads.forEach((head, column) => {
    if (!head.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const numbers = head.classList.contains("number");
      const falls = head.hasAttribute("aria-sort") ? head.getAttribute("aria-sort") === "ascending" : numbers;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falls ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => ({row, value: valueOf(row, column)}));
      rows.sort((a, b) => a.value === null || b.value === null // what has no value stays last
        ? (a.value === null) - (b.value === null) : (falls ? -1 : 1) * compare(a.value, b.value));
      body.append(...rows.map(({row}) => row));
    });
  });
}
