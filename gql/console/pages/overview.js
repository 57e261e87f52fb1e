export async function show(page) {
  return page.view('overview', {});
}
