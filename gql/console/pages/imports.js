export async function show(page) {
  return page.view('imports', {});
}
